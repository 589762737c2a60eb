"""Machinery that every other room stands on: types, checks, frames and numbers."""
