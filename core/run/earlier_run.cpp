// SPDX-License-Identifier: Apache-2.0
#include "core/run/earlier_run.h"

#include <algorithm>

namespace qs {

using nlohmann::json;

EarlierRun EarlierRun::open(const std::filesystem::path& directory, const RunManifest& now) {
    EarlierRun out;
    const auto run = Run::open(directory);
    auto journal = RunJournal::read(directory);
    if (!run || !journal) return out;
    const RunManifest& before = (*run)->manifest();
    const bool sameInputs = before.modelFingerprint == now.modelFingerprint &&
                            before.calibrationFingerprint == now.calibrationFingerprint &&
                            before.importanceFingerprint == now.importanceFingerprint &&
                            before.precision == now.precision && before.appVersion == now.appVersion;
    json settings = now.plan(), settingsBefore = before.plan();
    if (!sameInputs || !settings.is_object() || !settingsBefore.is_object()) return out;
    out.tensors_ = settingsBefore.value("tensors", json::object());
    settings.erase("tensors");
    settingsBefore.erase("tensors");
    if (settings != settingsBefore) return EarlierRun();
    out.journal_ = std::move(*journal);
    for (int u = 0; u < out.journal_.unitsDone(); ++u) {
        std::vector<std::string> modules;
        for (const TensorResult& r : out.journal_.results(u))
            modules.push_back(r.module);
        std::ranges::sort(modules);
        if (!modules.empty()) out.units_[std::move(modules)] = u;
    }
    return out;
}

bool EarlierRun::sameSchemes(std::span<const PlanEntry* const> entries) const {
    return std::ranges::all_of(entries, [&](const PlanEntry* e) {
        const auto before = tensors_.find(e->target.module);
        return before != tensors_.end() && *before == (e->scheme ? e->scheme->toJson() : json());
    });
}

int EarlierRun::unitOf(std::span<const PlanEntry* const> entries) const {
    std::vector<std::string> modules;
    for (const PlanEntry* e : entries)
        modules.push_back(e->target.module);
    std::ranges::sort(modules);
    const auto found = units_.find(modules);
    return found == units_.end() ? -1 : found->second;
}

} // namespace qs
