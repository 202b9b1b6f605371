/* Where things stand in the raw state partition (DESIGN.md section 8). Offsets and sizes in bytes.
 * Whole 4 KiB blocks, so that each may be written by O_DIRECT without touching its neighbour. */
#ifndef DUET_BASE_STATE_LAYOUT_H
#define DUET_BASE_STATE_LAYOUT_H

#define STATE_BLOCK_BYTES      4096
#define STATE_SIZE_BYTES       (8 * 1024 * 1024)
#define STATE_RECORD_A         0     /* the HA record, first copy */
#define STATE_RECORD_B         4096  /* and second copy */
#define STATE_NOTES            65536 /* slot and boot notes */
#define STATE_NOTES_BYTES      65536
#define STATE_CONF_A           131072  /* the last good configuration, first copy */
#define STATE_CONF_B           262144  /* and second copy */
#define STATE_CONF_LIMIT_BYTES 122880  /* header included */
#define STATE_BLACKBOX         1048576 /* a ring to the end of the partition */

#endif
