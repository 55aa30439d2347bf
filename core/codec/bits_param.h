// SPDX-License-Identifier: Apache-2.0
// CodecDescriptor::withBits of formats whose bits are a parameter of that name.
#pragma once

#include "core/base/param_spec.h"

namespace qs {

/// `params` with "bits" replaced; InvalidArgument, naming the codec, when its specs do not allow them.
Result<Params> withBitsParam(const ParamSpecs& specs, const Params& params, int bits,
                             const std::string& codec);

} // namespace qs
