// SPDX-License-Identifier: GPL-3.0-or-later
// TreePaths: where every tensor of a checkpoint stands in the model tree. Immutable; made on any thread.
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "widgets/models/TensorFilter.h"

#include <QHash>
#include <memory>

namespace qs::ui {

struct TreePaths {
    std::vector<QStringList> parts; ///< titles from below the root down to the tensor
    NameIndex names;                ///< what the filter sees: stored names, lower case
    std::vector<int> block;         ///< -1 outside of blocks
    std::vector<int> targetOf;      ///< tensor -> target, -1
    std::vector<int> tensorOf;      ///< target -> tensor, -1
    std::vector<int> sorted;        ///< tensors as the tree shows them: embedding, blocks, the rest, head
    std::vector<int> place;         ///< tensor -> index into `sorted`

    /// `targets`: stored tensor name of each target.
    static std::shared_ptr<const TreePaths> of(const Checkpoint& checkpoint, const QStringList& targets);
};

} // namespace qs::ui
