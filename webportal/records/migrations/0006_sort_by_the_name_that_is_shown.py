from django.db import migrations

# As `name_components` has it: of a name's ways of writing the first one with letters, and the
# Patient ID where there is none. Everything else is as it was.
FUNCTION = r"""
CREATE OR REPLACE FUNCTION sorted_name(name text, patient_id text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat(
        left(btrim(regexp_replace(
            lower(unaccent(coalesce(
                nullif(btrim(split_part(name, '=', 1), ' ^'), ''),
                nullif(btrim(split_part(name, '=', 2), ' ^'), ''),
                nullif(btrim(split_part(name, '=', 3), ' ^'), ''),
                patient_id
            ))),
            '\s*\^[\s^]*', E'\x02', 'g'
        )), 300),
        E'\x01', left(lower(patient_id), 100)
    )
$$;
"""

BACK = r"""
CREATE OR REPLACE FUNCTION sorted_name(name text, patient_id text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat(
        left(btrim(regexp_replace(
            lower(unaccent(coalesce(nullif(btrim(split_part(name, '=', 1), ' ^'), ''), patient_id))),
            '\s*\^[\s^]*', E'\x02', 'g'
        )), 300),
        E'\x01', left(lower(patient_id), 100)
    )
$$;
"""

# The trigger of the study fills in what is emptied here.
FILL = r"""
UPDATE records_study AS study SET sort_name = ''
FROM records_patient AS patient WHERE patient.id = study.patient_id AND patient.name ~ '^[ ^]*=';
"""


class Migration(migrations.Migration):
    dependencies = [("records", "0005_order_by_patient_id")]

    operations = [migrations.RunSQL(FUNCTION + FILL, BACK + FILL)]
