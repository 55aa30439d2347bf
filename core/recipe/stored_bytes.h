// SPDX-License-Identifier: Apache-2.0
// Bytes of a quantized payload: what plans promise and prices are made from.
#pragma once

#include "core/codec/codec.h"

namespace qs {

/// Every part (codes, scales, zeros, index) rounded up to whole bytes.
uint64_t storedBytes(const StoredBits& bits);

} // namespace qs
