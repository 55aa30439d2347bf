// SPDX-License-Identifier: GPL-3.0-or-later
// What stands beside the lens: the range to try, its error against plain min-max, the worst groups, and the
// way into the recipe.
#pragma once

#include "app/session/Lens.h"

#include <QWidget>

class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QPushButton;
class QStandardItemModel;
class QTableView;

namespace qs::ui {
class Chip;
class ElidedLabel;
class KeyValueGrid;
class SectionHeader;
} // namespace qs::ui

namespace qs::app {

class LensPanel : public QWidget {
    Q_OBJECT
public:
    LensPanel(Session* session, Lens* lens, QWidget* parent = nullptr);

signals:
    void groupSelected(int row, int group);
    void copyValuesRequested();
    void editRefused(const QString& reason);

private:
    void makeRange();
    void makeTables();
    QWidget* makeButtons();
    void refresh();
    void refreshErrors();
    void refreshWorst();
    void tryFromControls();
    void useInRecipe();

    Session* m_session;
    Lens* m_lens;
    QLabel* m_name;
    ui::Chip* m_what;
    ui::ElidedLabel* m_tensor;
    ui::SectionHeader* m_rangeHead;
    ui::KeyValueGrid* m_range;
    QComboBox* m_rule;
    QDoubleSpinBox* m_clip;
    ui::SectionHeader* m_errorHead;
    QTableView* m_errorView;
    QStandardItemModel* m_errors;
    ui::SectionHeader* m_worstHead;
    QTableView* m_worstView;
    QStandardItemModel* m_worst;
    QLabel* m_summary;
    QPushButton* m_use;
    QPushButton* m_reset;
    QPushButton* m_copy;
};

/// "Groups 24 and 44 are 3 % of the groups and carry 14 % of the output error. ..." ; "" when the error is
/// spread evenly.
QString worstGroupsText(const QuantReport& report);

} // namespace qs::app
