// SPDX-License-Identifier: Apache-2.0
#include "core/text/model.h"

#include "core/text/bpe.h"
#include "core/text/json_fields.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::text {

Result<std::shared_ptr<const TokenModel>> parseTokenModel(const nlohmann::json& j, const std::string& where) {
    if (!j.is_object()) return Error::corrupt(fmt::format("must be an object, not {}", shortJson(j)), where);
    // Files from before 2021 leave the type out; merges mean BPE.
    std::string type = "BPE";
    if (member(j, "type")) {
        QS_TRY(type, stringField(j, "type", where));
    } else if (!member(j, "merges")) {
        return Error::unsupported("a model without 'type' and without 'merges' is not supported", where);
    }
    if (type == "BPE") return parseBpe(j, where);
    return Error::unsupported(fmt::format("model type '{}' is not supported, only 'BPE'", type), where);
}

} // namespace qs::text
