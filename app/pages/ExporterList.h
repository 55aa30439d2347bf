// SPDX-License-Identifier: GPL-3.0-or-later
// The formats a run can be written in, with what each says about the present recipe.
#pragma once

#include "app/session/Session.h"

#include <QAbstractListModel>
#include <QStyledItemDelegate>

namespace qs::app {

class ExporterListModel : public QAbstractListModel {
    Q_OBJECT
public:
    enum Roles { IdRole = Qt::UserRole + 1, SummaryRole, StatusRole, SeverityRole };

    explicit ExporterListModel(Session* session, QObject* parent = nullptr);
    void refresh();
    QString id(int row) const;
    /// Row of an id, -1 when unknown.
    int rowOf(const QString& id) const;
    const std::vector<LintIssue>& issues(int row) const { return m_issues[size_t(row)]; }
    bool blocked(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;

private:
    int count(int row, Severity severity) const;

    Session* m_session;
    std::vector<std::vector<LintIssue>> m_issues; ///< one list per exporter
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
