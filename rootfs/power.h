/* The power button, as the kernel's input devices report it. */
#ifndef DUET_ROOTFS_POWER_H
#define DUET_ROOTFS_POWER_H

struct loop;
struct power;

/* Opens all devices that have a power key; pressed(arg) is called on the loop. */
struct power *power_new(struct loop *l, void (*pressed)(void *arg), void *arg);
void power_free(struct power *p);

#endif
