// SPDX-License-Identifier: GPL-3.0-or-later
// Everything about the current tensor and the selection: facts, histogram, scheme editor, totals.
#pragma once

#include "app/pages/InspectState.h"
#include "widgets/models/KeyValue.h"

#include <QScrollArea>

class QLabel;
class QStackedWidget;

namespace qs::ui {
class Chip;
class ElidedLabel;
class HistogramWidget;
class KeyValueGrid;
class SchemeEditor;
class SectionHeader;
} // namespace qs::ui

namespace qs::app {

class LayerCardPane;

class InspectorPane : public QWidget {
    Q_OBJECT
public:
    explicit InspectorPane(InspectState* state, QWidget* parent = nullptr);
    ui::SchemeEditor* editor() const { return m_editor; }
    /// What stands here instead while the distribution lens is in front.
    void setLensPanel(QWidget* panel);
    void showLensPanel(bool on);
    QSize sizeHint() const override { return {310, 600}; }

signals:
    void editRefused(const QString& reason);

private:
    QWidget* makeHead();
    QWidget* makeBody();
    void scheduleRefresh();
    void refresh();
    void refreshHistogram();
    void refreshScheme();
    void onEdited(const ui::SchemeEdit& edit);

    InspectState* m_state;
    QStackedWidget* m_stack;
    QLabel* m_name;
    ui::Chip* m_place;
    ui::ElidedLabel* m_tensor;
    ui::KeyValueGrid* m_facts;
    ui::SectionHeader* m_weightsHead;
    ui::HistogramWidget* m_histogram;
    ui::SectionHeader* m_schemeHead;
    ui::SchemeEditor* m_editor;
    ui::KeyValueGrid* m_price;
    LayerCardPane* m_layerCard;
    ui::SectionHeader* m_selectionHead;
    ui::KeyValueGrid* m_selection;
    QScrollArea* m_lensScroll = nullptr;
    bool m_showLens = false;
    QTimer m_later; ///< results and edits come in bursts
};

/// Fills a grid; keeps its rows when only values differ.
void showKeyValues(ui::KeyValueGrid* grid, const QVector<ui::KeyValue>& rows);

} // namespace qs::app
