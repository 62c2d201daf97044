"""The rooms behind `service_ota`: one subject each, loaded only when needed."""

__version__ = "0.1.0"
