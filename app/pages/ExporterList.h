// SPDX-License-Identifier: GPL-3.0-or-later
// The formats a run can be written in, with what each, or a runtime that opens it, says about the present
// recipe.
#pragma once

#include "app/session/Session.h"
#include "core/export/runtime_profiles.h"

#include <QAbstractListModel>
#include <QStyledItemDelegate>

namespace qs::app {

class ExporterListModel : public QAbstractListModel {
    Q_OBJECT
public:
    enum Roles { IdRole = Qt::UserRole + 1, SummaryRole, StatusRole, SeverityRole };

    explicit ExporterListModel(Session* session, QObject* parent = nullptr);
    void refresh();
    /// The formats of a runtime, and whether it loads them; null: all formats, by their own rules.
    void setRuntime(const RuntimeProfile* runtime);
    const RuntimeProfile* runtime() const { return m_runtime; }
    const ExporterDescriptor& exporter(int row) const { return *m_rows[size_t(row)]; }
    QString id(int row) const;
    /// Row of an id, -1 when it is not there.
    int rowOf(const QString& id) const;
    const std::vector<RuntimeIssue>& issues(int row) const { return m_issues[size_t(row)]; }
    /// The format cannot hold the run: whatever a runtime says, it is not written.
    bool blocked(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;

private:
    int count(int row, Severity severity) const;
    QString status(int row) const;

    Session* m_session;
    const RuntimeProfile* m_runtime = nullptr;
    std::vector<const ExporterDescriptor*> m_rows;
    std::vector<std::vector<RuntimeIssue>> m_issues; ///< one list per row
};

/// Two lines: label and status, below the summary.
class ExporterDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

} // namespace qs::app
