// SPDX-License-Identifier: Apache-2.0
// Inside of the reading process: what an array or attribute of a foreign file is, and whether it may be read.
#pragma once

#include "core/hdf5/h5_import_protocol.h"
#include "core/hdf5/h5_library.h"

namespace qs {

inline constexpr uint64_t kH5ForeignMaxChunk = uint64_t(128) << 20; ///< bytes, in memory

/// Type, shape, stored bytes and known attributes of an open dataset; the path is left empty. An Error whose
/// message is the reason for people when it may not be read.
Result<H5Node> h5DescribeForeign(const H5Handle& dataset);

/// The memory type that hands over the dataset's elements as `type`, little endian.
H5Handle h5ForeignMemoryType(const H5Handle& dataset, DType type);

/// layer_names*, weight_names*, dtype and schema where they are texts; others and unreadable ones are left
/// out.
std::vector<H5TextAttribute> h5KnownAttributes(const H5Handle& object);

} // namespace qs
