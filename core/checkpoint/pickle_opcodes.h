// SPDX-License-Identifier: Apache-2.0
// Inside of the pickle machine: the instructions that it obeys.
#pragma once

#include <cstdint>

namespace qs::pickle {

/// The opcodes of pickletools that torch.save emits. The letter is the opcode's byte.
enum Op : uint8_t {
    PROTO = 0x80,
    EMPTY_DICT = '}',
    EMPTY_LIST = ']',
    EMPTY_TUPLE = ')',
    EMPTY_SET = 0x8f,
    MARK = '(',
    TUPLE = 't',
    TUPLE1 = 0x85,
    TUPLE2 = 0x86,
    TUPLE3 = 0x87,
    BININT = 'J',
    BININT1 = 'K',
    BININT2 = 'M',
    LONG1 = 0x8a,
    BINFLOAT = 'G',
    BINUNICODE = 'X',
    SHORT_BINSTRING = 'U',
    NONE = 'N',
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    BINGET = 'h',
    LONG_BINGET = 'j',
    BINPUT = 'q',
    LONG_BINPUT = 'r',
    APPEND = 'a',
    APPENDS = 'e',
    SETITEM = 's',
    SETITEMS = 'u',
    GLOBAL = 'c',
    BINPERSID = 'Q',
    REDUCE = 'R',
    BUILD = 'b',
    STOP = '.',
};

} // namespace qs::pickle
