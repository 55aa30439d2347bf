// SPDX-License-Identifier: GPL-3.0-or-later
// The runs compared: A is the original, B the run.
#pragma once

#include "app/session/Session.h"

#include <QAbstractTableModel>

namespace qs::app {

class EvaluationModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Letter, Name, Recipe, Size, Bits, Kl, Perplexity, Top1, Tokens, Note, ColumnCount };
    enum Roles { LetterRole = Qt::UserRole + 1, StaleRole };

    explicit EvaluationModel(Session* session, QObject* parent = nullptr);
    void refresh();

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Row {
        QString texts[ColumnCount];
        QString toolTip;
        bool stale = false, measured = false;
    };
    Row original() const;
    Row run() const;
    static void measure(Row& row, const Evaluation& e);

    Session* m_session;
    std::vector<Row> m_rows;
};

} // namespace qs::app
