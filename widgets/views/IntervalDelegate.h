// SPDX-License-Identifier: GPL-3.0-or-later
// IntervalDelegate: a number with its error bar: the text at the right, before it a dot with the 95 %
// interval on a scale that all rows of the column share.
#pragma once

#include <QStyledItemDelegate>

namespace qs::ui {

/// What the delegate reads; NaN or missing paints no bar.
struct IntervalRoles {
    int value, error; ///< the number and one standard error
    int low, high;    ///< ends of the column's scale
};

class IntervalDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    IntervalDelegate(const IntervalRoles& roles, QObject* parent = nullptr);
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;

private:
    IntervalRoles m_roles;
};

} // namespace qs::ui
