// SPDX-License-Identifier: GPL-3.0-or-later
// The exact size of the complete run in every format.
#pragma once

#include "app/session/Session.h"

#include <QTableView>

class QStandardItemModel;

namespace qs::app {

class ExportSizes : public QTableView {
    Q_OBJECT
public:
    explicit ExportSizes(Session* session, QWidget* parent = nullptr);
    /// Asks again, on the light pool.
    void refresh();

private:
    void fit();
    void showSizes(const std::vector<Result<uint64_t>>& sizes);

    Session* m_session;
    QStandardItemModel* m_model;
};

} // namespace qs::app
