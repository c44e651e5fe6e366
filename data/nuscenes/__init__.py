"""Reads a nuScenes folder: tables, tracks, official splits."""
