// SPDX-License-Identifier: GPL-3.0-or-later
// The model tree with its filter; selects the same tensors as every other pane.
#pragma once

#include "app/session/Session.h"
#include "widgets/models/ModelTreeModel.h"

#include <QWidget>

class QLabel;
class QTreeView;

namespace qs::ui {
class SearchLineEdit;
}

namespace qs::app {

class ModelTreePane : public QWidget {
    Q_OBJECT
public:
    explicit ModelTreePane(Session* session, QWidget* parent = nullptr);
    QTreeView* view() const { return m_view; }
    ui::ModelTreeModel* model() { return &m_model; }
    void focusFilter();
    QSize sizeHint() const override { return {248, 500}; }

private:
    void onModelChanged();
    void applyFilter();
    void expandFirst();
    void fromView();
    void toView();
    void showCounts();
    void fitColumns();

    Session* m_session;
    ui::ModelTreeModel m_model;
    ui::SearchLineEdit* m_filter;
    QTreeView* m_view;
    QLabel* m_counts;
    QTimer m_fit;        ///< looks at the rows in sight: not during an edit
    bool m_busy = false; ///< a selection is being carried over
};

} // namespace qs::app
