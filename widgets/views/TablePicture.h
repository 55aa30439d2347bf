// SPDX-License-Identifier: GPL-3.0-or-later
// TablePicture: a table or tree as a Picture: its rows painted at any size, and as CSV.
#pragma once

#include "widgets/charts/Picture.h"

#include <QModelIndex>
#include <QObject>
#include <QVector>

class QAbstractItemView;
class QHeaderView;

namespace qs::ui {

class TablePicture : public QObject, public Picture {
    Q_OBJECT
public:
    static constexpr int kMostRows = 200000; ///< of CSV

    /// A child of the view.
    explicit TablePicture(QAbstractItemView* view);

    /// From the first row that is in view, as many rows as fit; columns in the order and, in proportion, with
    /// the width that they have on the screen.
    void renderTo(QPainter& painter, const QSize& size) const override;
    /// Every row of a table, the open rows of a tree; visible columns. Numbers as they are, texts as shown.
    QString toCsv() const override;
    QString pictureName() const override;

private:
    struct Row {
        QModelIndex index; ///< of its first column
        int depth = 0;
    };
    const QHeaderView* header() const;
    QVector<int> columns() const;
    /// Rows in the order of the screen, at most `most`, from `first` on (invalid: all).
    QVector<Row> rows(const QModelIndex& first, int most) const;
    void addRows(QVector<Row>& rows, const QModelIndex& parent, int depth, int most) const;

    QAbstractItemView* m_view;
};

} // namespace qs::ui
