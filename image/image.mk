# The machine: kernel, root archive, disk image, and two machines from it under QEMU. Part of the Makefile.

export SOURCE_DATE_EPOCH ?= 1767225600
IMG := build/image/duet.img
PORT ?= 6379

.PHONY: image run kernel
run: build/stamp/packages-run ## build the image and run two machines from it as a pair; the VIP is at 127.0.0.1:6379 (PORT=, ACCEL=tcg|kvm)
	@image/pair --check --port $(PORT)
	@$(MAKE) image
	@exec image/pair --port $(PORT) $(IMG)

image: $(IMG) ## the disk image, build/image/duet.img

kernel: build/image/vmlinuz ## the kernel alone (kept in the cache until its options or version change)

# image/kernel looks for itself whether anything that matters has changed.
build/image/vmlinuz: $(wildcard kernel-config/*.config) image/kernel image/kernel-options image/manifest.lock \
		build/stamp/packages-run
	@mkdir -p $(@D)
	image/kernel $@
	@touch $@

# The function names stay in, for whoever reads a crash; the rest of the debugger's tables would triple the size.
build/image/duet: build/duet
	@mkdir -p $(@D)
	strip --strip-debug -o $@ build/duet

build/image/initrd: image/initrd image/initrd.list build/image/duet $(wildcard rootfs/etc/* rootfs/etc/*/*) \
		build/stamp/musl-e2fsprogs build/stamp/musl-dropbear build/stamp/musl-ipmitool build/stamp/packages-run
	@mkdir -p $(@D)
	image/initrd $@ image/initrd.list

$(IMG): image/disk image/grub.cfg build/image/vmlinuz build/image/initrd build/stamp/debs-grub
	image/disk $@ build/image/vmlinuz build/image/initrd "$$(sed -n 's/.*"\(.*\)"/\1/p' build/version.h)$$([ ! -s build/not-as-locked ] || echo +not-as-locked)"

stage-image: image
