// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/OpenedModel.h"

namespace qs::app {

Result<OpenedModel> OpenedModel::of(std::shared_ptr<const Model> model) {
    OpenedModel out;
    QS_TRY(const std::string fingerprint, model->checkpoint().fingerprint());
    out.fingerprint = QString::fromStdString(fingerprint);
    out.table = TableStart::of(model);
    QStringList tensors;
    for (const ui::TargetRow& row : out.table->rows)
        tensors << row.tensor;
    out.tree = ui::TreePaths::of(model->checkpoint(), tensors);
    out.model = std::move(model);
    return out;
}

} // namespace qs::app
