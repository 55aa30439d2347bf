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
    /// Below everything with many columns, or beside a page with those that tuning looks at. Users arrange
    /// both.
    void setBeside(bool beside);

signals:
    void editRefused(const QString& reason);

private:
    void setupView();
    QByteArray besideByDefault() const;
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
    bool m_beside = false;
    QByteArray m_otherHeader; ///< of the arrangement that is not shown
    QTimer m_visible;         ///< scrolling comes in bursts
};

} // namespace qs::app
