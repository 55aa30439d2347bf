// SPDX-License-Identifier: GPL-3.0-or-later
// The one selection that tree, table, heat map and charts share: a set of tensors and a current one.
#pragma once

#include <QObject>
#include <QVector>

class QAbstractItemView;

namespace qs::ui {

class TensorTableModel;

class TargetSelection : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;

    /// Sorted, without repetition.
    const QVector<int>& targets() const { return m_targets; }
    bool contains(int target) const;
    /// -1 when there is none.
    int current() const { return m_current; }

    /// `current` is kept when it is selected, else becomes the first one. Emits changed() when anything
    /// differs.
    void set(QVector<int> targets, int current = -1);
    void selectOne(int target) { set({target}, target); }
    void clear() { set({}, -1); }

signals:
    void changed();
    void currentChanged(int target);

private:
    QVector<int> m_targets;
    int m_current = -1;
};

/// Keeps a table view over a TensorTableModel and the shared selection equal, in both directions, across
/// sorting and filtering. The view must have its model set.
void bindSelection(QAbstractItemView* view, TensorTableModel* model, TargetSelection* selection);

} // namespace qs::ui
