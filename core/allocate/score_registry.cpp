// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/score.h"

#include <fmt/format.h>

namespace qs {

#define QS_ENTRY(id) const ScoreDescriptor& score_##id();
#include "qs/scores.inc"
#undef QS_ENTRY

std::span<const ScoreDescriptor* const> scores() {
#define QS_ENTRY(id) &score_##id(),
    static const ScoreDescriptor* const table[] = {
#include "qs/scores.inc"
    };
#undef QS_ENTRY
    return table;
}

Result<const ScoreDescriptor*> findScore(const std::string& id) {
    std::string known;
    for (const ScoreDescriptor* d : scores()) {
        if (d->id == id) return d;
        known += (known.empty() ? "" : ", ") + d->id;
    }
    return Error::notFound(fmt::format("no score '{}'; known: {}", id, known));
}

std::vector<std::pair<std::string, bool*>> namedMeasures(SensitivityRequest& request) {
    return {{"linearity", &request.linearity}, {"alone", &request.alone}, {"entropy", &request.entropy},
            {"salience", &request.salience},   {"prune", &request.prune}, {"cca", &request.cca},
            {"keep_alone", &request.keepAlone}};
}

SensitivityRequest requestFor(const ScoreDescriptor& score) {
    SensitivityRequest request;
    for (const auto& [name, wanted] : namedMeasures(request))
        *wanted = name == score.needs;
    return request;
}

} // namespace qs
