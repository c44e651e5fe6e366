"""Synthetic worlds written as genuine nuScenes folders."""
