// SPDX-License-Identifier: GPL-3.0-or-later
// The channels of the current tensor that are past the outlier rule.
#pragma once

#include "app/pages/InspectState.h"
#include "widgets/models/OutlierTableModel.h"

#include <QWidget>

class QStackedWidget;
class QTableView;

namespace qs::ui {
class EmptyState;
}

namespace qs::app {

class OutliersPane : public QWidget {
    Q_OBJECT
public:
    explicit OutliersPane(InspectState* state, QWidget* parent = nullptr);
    QTableView* view() const { return m_view; }
    int count() const { return m_model.rowCount(); }

signals:
    void countChanged(int count);

private:
    void refresh();
    void markChannel(int channel);

    InspectState* m_state;
    ui::OutlierTableModel m_model;
    QStackedWidget* m_stack;
    ui::EmptyState* m_empty;
    QTableView* m_view;
};

} // namespace qs::app
