"""The machinery of segmentation, one file a question; `crmvalue.segmentation` is its face."""
