// SPDX-License-Identifier: Apache-2.0
// The part of a stored tensor that is beside its codes; the datasets are those that quantized_store.h lists.
#pragma once

#include "core/codec/codec.h"
#include "core/hdf5/h5_file.h"

namespace qs {

/// InvalidArgument when the extras of a tensor do not fit its shape, or are no finite float16 values.
Result<void> checkExtras(const QuantizedTensor& q);
/// Those that there are, into the tensor's group. checkExtras has seen them.
Result<void> writeExtras(H5Writer& writer, const std::string& group, const QuantizedTensor& q);
/// Needs q.rows, q.cols and q.codes; checkExtras must see the result.
Result<void> readExtras(const H5Reader& file, const std::string& group, QuantizedTensor& q);

} // namespace qs
