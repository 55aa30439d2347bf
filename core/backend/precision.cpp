// SPDX-License-Identifier: Apache-2.0
#include "core/backend/backend.h"

#include <fmt/format.h>

namespace qs {

const char* precisionName(Precision p) {
    return p == Precision::BF16 ? "bf16" : "f32";
}

Result<Precision> precisionFromName(const std::string& name) {
    for (const Precision p : {Precision::F32, Precision::BF16})
        if (name == precisionName(p)) return p;
    return Error::invalid(fmt::format("unknown precision '{}'; known: f32, bf16", name));
}

} // namespace qs
