"""Two machines under QEMU, joined as a pair: used by image/pair (`make run`) and by tests/image."""
