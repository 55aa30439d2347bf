// SPDX-License-Identifier: GPL-3.0-or-later
// OpenedModel: a model with everything the window needs of it at first, made on a worker thread: the window
// only takes it over.
#pragma once

#include "app/session/TableStart.h"
#include "widgets/models/TreePaths.h"

#include <QString>

namespace qs::app {

struct OpenedModel {
    std::shared_ptr<const Model> model;
    QString fingerprint;
    std::shared_ptr<TableStart> table; ///< moved from when it is adopted
    std::shared_ptr<const ui::TreePaths> tree;

    static Result<OpenedModel> of(std::shared_ptr<const Model> model);
};

} // namespace qs::app
