// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/TargetNames.h"

#include "widgets/models/TargetTableSource.h"

#include <algorithm>
#include <numeric>

namespace qs::ui {

std::shared_ptr<const TargetNames> TargetNames::of(const QStringList& modules) {
    auto names = std::make_shared<TargetNames>();
    for (const QString& m : modules)
        names->index.append(m);
    const NameIndex& index = names->index;
    std::vector<quint32> byName(index.size());
    std::iota(byName.begin(), byName.end(), 0u);
    std::stable_sort(byName.begin(), byName.end(),
                     [&](quint32 a, quint32 b) { return naturalLess(index.at(a), index.at(b)); });
    names->rank.resize(byName.size());
    for (size_t i = 0; i < byName.size(); ++i)
        names->rank[byName[i]] = quint32(i);
    return names;
}

std::shared_ptr<const TargetNames> TargetTableSource::names() const {
    QStringList modules;
    for (int t = 0; t < count(); ++t)
        modules << row(t).module;
    return TargetNames::of(modules);
}

} // namespace qs::ui
