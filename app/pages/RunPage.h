// SPDX-License-Identifier: GPL-3.0-or-later
// The Run workspace: what the recipe will do, how far the run is, block by block.
#pragma once

#include "app/pages/RunUnits.h"

#include "app/pages/ToneLabel.h"

#include <QTimer>
#include <QWidget>

class QLabel;
class QProgressBar;
class QPushButton;
class QTableView;

namespace qs::ui {
class Chip;
class KeyValueGrid;
} // namespace qs::ui

namespace qs::app {

class ActivationsPane;
class TransformsPane;

class RunPage : public QWidget {
    Q_OBJECT
public:
    explicit RunPage(Session* session, QWidget* parent = nullptr);
    RunUnits* units() { return &m_units; }
    TransformsPane* transforms() const { return m_transforms; }
    QPushButton* runButton() const { return m_run; }
    QPushButton* stopButton() const { return m_stop; }

signals:
    void runRequested();
    void stopRequested();
    void calibrateRequested();

protected:
    void showEvent(QShowEvent* event) override;

private:
    QWidget* makeFacts();
    QWidget* makeUnits();
    void later();
    void refresh();
    void showFacts();
    void showProgress();
    QString statusText() const;

    Session* m_session;
    RunUnits m_units;
    ui::KeyValueGrid* m_recipe;
    TransformsPane* m_transforms;
    ActivationsPane* m_activations;
    ui::KeyValueGrid* m_calibration;
    QPushButton *m_run, *m_stop, *m_calibrate;
    ToneLabel* m_hint;
    ui::Chip* m_status;
    QProgressBar* m_bar;
    QLabel* m_message;
    QTableView* m_table;
    QTimer m_later;
    bool m_dirty = false;   ///< something changed while hidden
    bool m_rebuild = false; ///< another model
};

} // namespace qs::app
