#!/usr/bin/env bash
# Make the pictures of the report anew, light and dark: run it after the report has changed, and look at what it made.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

crmvalue demo --output "$work" >/dev/null
for scheme in light dark; do
    case $scheme in light) preferred=1 ;; dark) preferred=0 ;; esac
    chromium --headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update \
        --disable-sync --no-first-run --hide-scrollbars --user-data-dir="$work/browser-$scheme" \
        --blink-settings=preferredColorScheme=$preferred --window-size=1200,1500 \
        --screenshot="$work/$scheme.png" "file://$work/report.html" 2>/dev/null
    python - "$work/$scheme.png" "_static/report-$scheme.png" <<'PY'
import sys

from PIL import Image

Image.open(sys.argv[1]).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(sys.argv[2], optimize=True)
PY
done
ls -l _static/report-*.png
