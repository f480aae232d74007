"""Sources of measurements, landing of batches, replay of recorded data. See docs/your-own-data.md."""
