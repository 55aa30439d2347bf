// SPDX-License-Identifier: GPL-3.0-or-later
// The table of every quantizable tensor: filter, sort, edit bits, group and method of one or many rows.
#pragma once

#include "app/session/Session.h"
#include "app/settings/Settings.h"
#include "widgets/models/TensorTableModel.h"

#include <QTimer>
#include <QWidget>

class QLabel;
class QTableView;

namespace qs::ui {
class SearchLineEdit;
}

namespace qs::app {

class TensorsPane : public QWidget {
    Q_OBJECT
public:
    TensorsPane(Session* session, Settings* settings, QWidget* parent = nullptr);
    QTableView* view() const { return m_view; }
    ui::TensorTableModel* model() { return &m_model; }
    void focusFilter();
    void saveState();

signals:
    void editRefused(const QString& reason);

private:
    void setupView();
    void applyFilter();
    void showCounts();
    void tellVisible();
    void scrollToCurrent();

    Session* m_session;
    Settings* m_settings;
    ui::TensorTableModel m_model;
    ui::SearchLineEdit* m_filter;
    QLabel* m_counts = nullptr;
    QTableView* m_view;
    QTimer m_visible; ///< scrolling comes in bursts
};

} // namespace qs::app
