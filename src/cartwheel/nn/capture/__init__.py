"""`capture`: record a training step once, and replay it compiled."""

from cartwheel.nn.capture.captured import Captured, capture

__all__ = ["Captured", "capture"]
