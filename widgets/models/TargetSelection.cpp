// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/TargetSelection.h"

#include "widgets/models/TensorTableModel.h"

#include <QAbstractItemView>
#include <QItemSelectionModel>
#include <algorithm>

namespace qs::ui {

bool TargetSelection::contains(int target) const {
    return std::binary_search(m_targets.begin(), m_targets.end(), target);
}

void TargetSelection::set(QVector<int> targets, int current) {
    std::sort(targets.begin(), targets.end());
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    if (!std::binary_search(targets.begin(), targets.end(), current)) {
        const bool keep = current < 0 && std::binary_search(targets.begin(), targets.end(), m_current);
        current = keep ? m_current : targets.isEmpty() ? -1 : targets.front();
    }
    const bool currentDiffers = current != m_current;
    if (!currentDiffers && targets == m_targets) return;
    m_targets = std::move(targets);
    m_current = current;
    emit changed();
    if (currentDiffers) emit currentChanged(current);
}

namespace {

constexpr qsizetype kMostPieces = 500;

/// One view's side of the binding; lives as a child of the view.
class Binding : public QObject {
public:
    Binding(QAbstractItemView* view, TensorTableModel* model, TargetSelection* selection)
        : QObject(view), m_view(view), m_model(model), m_selection(selection) {
        connect(selection, &TargetSelection::changed, this, &Binding::toView);
        connect(view->selectionModel(), &QItemSelectionModel::selectionChanged, this, &Binding::fromView);
        // A click moves the current index before the selection: wait for the selection then.
        connect(view->selectionModel(), &QItemSelectionModel::currentChanged, this,
                [this](const QModelIndex& i) {
                    if (i.isValid() && m_view->selectionModel()->isSelected(i)) fromView();
                });
        // A reset drops the view's selection, not the shared one.
        connect(model, &QAbstractItemModel::modelAboutToBeReset, this, [this] { m_busy = true; });
        connect(model, &QAbstractItemModel::modelReset, this, [this] {
            QMetaObject::invokeMethod(
                this,
                [this] {
                    m_busy = false;
                    toView();
                },
                Qt::QueuedConnection);
        });
        toView();
    }

private:
    void toView() {
        if (m_busy || !m_selection) return;
        m_busy = true;
        QVector<int> rows;
        for (const int t : m_selection->targets())
            if (const int r = m_model->rowOf(t); r >= 0) rows.push_back(r);
        std::sort(rows.begin(), rows.end());
        // Qt compares every range with every other: a selection in thousands of pieces shows its current row.
        qsizetype pieces = 0;
        for (qsizetype i = 0; i < rows.size(); ++i)
            pieces += i == 0 || rows[i] != rows[i - 1] + 1;
        if (pieces > kMostPieces) {
            const int r = m_model->rowOf(m_selection->current());
            rows = r >= 0 ? QVector<int>{r} : QVector<int>();
        }
        QItemSelection items;
        for (qsizetype i = 0; i < rows.size();) {
            qsizetype j = i;
            while (j + 1 < rows.size() && rows[j + 1] == rows[j] + 1)
                ++j;
            items.append(QItemSelectionRange(m_model->index(rows[i], 0),
                                             m_model->index(rows[j], TensorTableModel::ColumnCount - 1)));
            i = j + 1;
        }
        auto* s = m_view->selectionModel();
        s->select(items, QItemSelectionModel::ClearAndSelect);
        if (const int r = m_selection->current() < 0 ? -1 : m_model->rowOf(m_selection->current()); r >= 0) {
            const int column = s->currentIndex().isValid() ? s->currentIndex().column() : 0;
            const QModelIndex current = m_model->index(r, column);
            s->setCurrentIndex(current, QItemSelectionModel::NoUpdate);
            m_view->scrollTo(current);
        }
        m_busy = false;
    }

    void fromView() {
        if (m_busy || !m_selection) return;
        m_busy = true;
        QVector<int> targets;
        for (const QItemSelectionRange& range : m_view->selectionModel()->selection())
            for (int r = range.top(); r <= range.bottom(); ++r)
                targets.push_back(m_model->targetAt(r));
        const QModelIndex current = m_view->selectionModel()->currentIndex();
        m_selection->set(targets, current.isValid() ? m_model->targetAt(current.row()) : -1);
        m_busy = false;
    }

    QAbstractItemView* m_view;
    QPointer<TensorTableModel> m_model;
    QPointer<TargetSelection> m_selection;
    bool m_busy = false;
};

} // namespace

void bindSelection(QAbstractItemView* view, TensorTableModel* model, TargetSelection* selection) {
    new Binding(view, model, selection);
}

} // namespace qs::ui
