// SPDX-License-Identifier: GPL-3.0-or-later
// The Problems list: what the plan or an exporter says, errors first.
#pragma once

#include "core/recipe/recipe.h"

#include <QAbstractTableModel>
#include <vector>

namespace qs::ui {

class LintModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Message, Where, Source, ColumnCount };
    enum Roles {
        SeverityRole = Qt::UserRole + 1, ///< int: qs::Severity
        ModuleRole,                      ///< QString: module, "" for the whole plan
        RuleRole,                        ///< QString: stable rule id
    };

    using QAbstractTableModel::QAbstractTableModel;
    /// Replaces the issues of one source ("plan", "gptq"); the others stay.
    void setIssues(const QString& source, const std::vector<LintIssue>& issues);
    void clear();
    int errorCount() const { return count(Severity::Error); }
    int count(Severity severity) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Row {
        QString source;
        LintIssue issue;
    };
    std::vector<Row> m_rows;
};

} // namespace qs::ui
