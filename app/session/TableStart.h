// SPDX-License-Identifier: GPL-3.0-or-later
// TableStart: what a SchemeTable starts from with a model: rows, default schemes and their plan. A large
// model has 100k rows, so it is made on a worker thread and handed over whole.
#pragma once

#include "app/session/SchemeBook.h"
#include "core/recipe/live_plan.h"
#include "widgets/models/TargetNames.h"
#include "widgets/models/TargetRow.h"

#include <QHash>
#include <vector>

namespace qs::app {

struct TableStart {
    std::shared_ptr<const Model> model;
    Scheme defaultScheme; ///< what a kept tensor starts from when it is edited
    SchemeBook book;
    LivePlan plan; ///< the default scheme wherever it fits
    std::vector<ui::TargetRow> rows;
    QHash<QString, int> indexOf; ///< by module
    std::shared_ptr<const ui::TargetNames> names;
    /// What a table that is replaced also held: undo steps and plans of 100k entries take milliseconds to
    /// free.
    std::vector<std::shared_ptr<const void>> rest;

    /// Any thread.
    static std::unique_ptr<TableStart> of(std::shared_ptr<const Model> model);
};

/// Writes what the plan says about a target into its row.
void describePlan(ui::TargetRow& row, const LivePlan& plan, size_t target, SchemeBook& book);

} // namespace qs::app
