"""Flags that the commands of object detection share."""
