// SPDX-License-Identifier: GPL-3.0-or-later
// TargetNames: the names of every target, ready to be searched and sorted. Immutable; made on any thread.
#pragma once

#include "widgets/models/TensorFilter.h"

#include <memory>

namespace qs::ui {

struct TargetNames {
    NameIndex index;           ///< lower-case modules, by target
    std::vector<quint32> rank; ///< place of a target in the natural order of the names

    static std::shared_ptr<const TargetNames> of(const QStringList& modules);
};

} // namespace qs::ui
