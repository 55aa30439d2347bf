// SPDX-License-Identifier: Apache-2.0
#include "core/export/exporter.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

Result<Plan> planOfRun(const Run& run, const Model& model) {
    const std::string where = (run.directory() / "run.json").string() + ": plan";
    const nlohmann::json plan = run.manifest().plan();
    if (!plan.is_object() || !plan.contains("tensors") || !plan.at("tensors").is_object() ||
        !plan.contains("seed") || !plan.at("seed").is_number_unsigned())
        return Error::corrupt("must be an object with seed and tensors", where);
    const nlohmann::json& tensors = plan.at("tensors");
    std::vector<std::optional<Scheme>> schemes;
    for (const QuantTarget& target : model.targets()) {
        const auto it = tensors.find(target.module);
        if (it == tensors.end())
            return Error::invalid(fmt::format("the model has {}, the run's plan does not", target.module),
                                  where);
        schemes.emplace_back();
        if (it->is_null()) continue;
        QS_TRY(schemes.back(), Scheme::fromJson(*it, where + ": " + target.module));
    }
    if (tensors.size() != schemes.size())
        return Error::invalid(
            fmt::format("the run's plan has {} linears, the model {}", tensors.size(), schemes.size()),
            where);
    QS_TRY(ModelSettings settings, ModelSettings::fromJson(plan, where));
    return planFromSchemes(schemes, model, plan.at("seed").get<uint64_t>(), std::move(settings));
}

} // namespace qs
