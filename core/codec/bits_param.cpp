// SPDX-License-Identifier: Apache-2.0
#include "core/codec/bits_param.h"

#include <nlohmann/json.hpp>

namespace qs {

Result<Params> withBitsParam(const ParamSpecs& specs, const Params& params, int bits,
                             const std::string& codec) {
    nlohmann::json object = params.toJson();
    object["bits"] = bits;
    return Params::fromJson(specs, object, "codec " + codec);
}

} // namespace qs
