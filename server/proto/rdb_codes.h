/* Numbers inside RDB files that only its writer and reader use. */
#ifndef DUET_PROTO_RDB_CODES_H
#define DUET_PROTO_RDB_CODES_H

enum {
    RDB_LEN_6 = 0, /* upper two bits of a length's first byte */
    RDB_LEN_14 = 1,
    RDB_ENCODED = 3,
    RDB_LEN_32 = 0x80, /* whole first byte */
    RDB_LEN_64 = 0x81,
    RDB_ENC_INT8 = 0,
    RDB_ENC_INT16 = 1,
    RDB_ENC_INT32 = 2,
    RDB_ENC_LZF = 3
};

/* In place of a text score's length. */
enum { RDB_SCORE_NAN = 253, RDB_SCORE_INF = 254, RDB_SCORE_MINUS_INF = 255 };

/* What a module's value is made of: each part says by one of these what follows. */
enum rdb_module_part {
    RDB_PART_END,
    RDB_PART_SINT,
    RDB_PART_UINT,
    RDB_PART_FLOAT,
    RDB_PART_DOUBLE,
    RDB_PART_STRING
};

enum {
    RDB_OP_SLOT_IMPORT = 243, /* of Valkey 9; Redis 8 means something else by it */
    RDB_OP_SLOT_INFO = 244,
    RDB_OP_FUNCTION_2 = 245,
    RDB_OP_FUNCTION = 246,
    RDB_OP_MODULE_AUX = 247,
    RDB_OP_IDLE = 248,
    RDB_OP_FREQ = 249,
    RDB_OP_AUX = 250,
    RDB_OP_RESIZE = 251,
    RDB_OP_EXPIRE_MS = 252,
    RDB_OP_EXPIRE_S = 253,
    RDB_OP_SELECT = 254,
    RDB_OP_EOF = 255
};

#endif
