// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeBook: the distinct schemes of a table, each as one object, and what rows say about them. A model has
// many tensors and few schemes. Belongs to one thread at a time.
#pragma once

#include "widgets/models/TargetRow.h"

#include <map>
#include <memory>
#include <unordered_map>

namespace qs::app {

/// What a plan says of the model as a whole.
struct PlanSettings : ModelSettings {
    quint64 seed = 0;
    const ModelSettings& model() const { return *this; }
    bool operator==(const PlanSettings&) const = default;
};

class SchemeBook {
public:
    /// Null: kept. Equal schemes are one object, so pointers compare as values.
    using SchemePtr = std::shared_ptr<const Scheme>;

    SchemePtr share(const Scheme& scheme);
    /// Stays where it is as long as the book, also when that is moved.
    const ui::SchemeInfo& infoOf(const SchemePtr& scheme);
    const ui::SchemeInfo& keptAs(const QString& sourceType, int bits);

private:
    std::map<std::string, SchemePtr> m_shared; ///< by canonical JSON
    std::unordered_map<const Scheme*, ui::SchemeInfo> m_info;
    std::map<std::pair<QString, int>, ui::SchemeInfo> m_kept;
};

} // namespace qs::app
