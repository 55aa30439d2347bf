// SPDX-License-Identifier: Apache-2.0
// An earlier run of the same model: what another plan leaves as it was need not be computed again.
#pragma once

#include "core/run/run_journal.h"

namespace qs {

/// Its finished units that a run with the manifest `now` would make alike, by their modules.
class EarlierRun {
public:
    /// Nothing of it can be used when it was made from another model, calibration or importance matrix, with
    /// another precision, program version, seed or settings of the whole model, or cannot be read: then it
    /// has no units.
    static EarlierRun open(const std::filesystem::path& directory, const RunManifest& now);

    /// All of these linears have the same schemes there, or are kept there as here.
    bool sameSchemes(std::span<const PlanEntry* const> entries) const;
    /// The finished unit that quantized these linears and no others; -1 when there is none.
    int unitOf(std::span<const PlanEntry* const> entries) const;
    const RunJournal& journal() const { return journal_; }

private:
    RunJournal journal_;
    nlohmann::json tensors_ = nlohmann::json::object(); ///< module -> scheme or null
    std::map<std::vector<std::string>, int> units_;     ///< by their modules, sorted
};

} // namespace qs
