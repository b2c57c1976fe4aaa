/** Of roles, zones and services. */
export const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,62}$/;
export const NAME_ACCEPTED = "a name of letters, digits, _ . and -, beginning with a letter";
