// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeBook: the distinct schemes of a table, each as one object, and what rows say about them. A model has
// many tensors and few schemes. Belongs to one thread at a time.
#pragma once

#include "core/recipe/recipe.h"

#include <QString>
#include <map>
#include <memory>
#include <unordered_map>

namespace qs::app {

/// What a row says about its scheme.
struct SchemeInfo {
    QString format, method;
    int bits = 0;
    bool hasGroup = false;
    qint64 group = 0;
};

class SchemeBook {
public:
    /// Null: kept. Equal schemes are one object, so pointers compare as values.
    using SchemePtr = std::shared_ptr<const Scheme>;

    SchemePtr share(const Scheme& scheme);
    const SchemeInfo& infoOf(const SchemePtr& scheme);

private:
    std::map<std::string, SchemePtr> m_shared; ///< by canonical JSON
    std::unordered_map<const Scheme*, SchemeInfo> m_info;
};

} // namespace qs::app
