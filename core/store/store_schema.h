// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/hdf5/h5_file.h"

namespace qs {

/// The root attributes schema and schema_version of a file of ours, for reading it. Corrupt when it is
/// another kind of file, Unsupported when its version is above `newest`.
Result<void> requireSchema(const H5Reader& file, const std::string& schema, int64_t newest);

} // namespace qs
