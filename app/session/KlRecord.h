// SPDX-License-Identifier: GPL-3.0-or-later
// KlRecord: KL shares as a session file keeps them: those that were measured for the same thing stand
// together under it.
#pragma once

#include "app/session/SchemeTable.h"

#include <map>
#include <nlohmann/json_fwd.hpp>

namespace qs::app {

struct KlRecord {
    Scheme scheme;
    MeasuredKl::As as = MeasuredKl::As::Method;
    std::vector<TransformUse> transforms; ///< of the run
    std::string calibration, text;        ///< fingerprints, see MeasuredKl
    std::map<std::string, double> kl;     ///< by module, nats per token; finite
    bool operator==(const KlRecord&) const = default;

    nlohmann::json toJson() const;
    /// Corrupt, naming the field, for what toJson() does not write.
    static Result<KlRecord> fromJson(const nlohmann::json& object, const std::string& where);
};

/// What the table holds.
std::vector<KlRecord> klRecords(const SchemeTable& table);
/// For the table's tensors, those alone that were measured on the text with the fingerprint `text`.
std::vector<MeasuredKl> measuredKl(const std::vector<KlRecord>& records, const SchemeTable& table,
                                   const std::string& text);

} // namespace qs::app
